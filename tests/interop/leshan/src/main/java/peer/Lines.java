package peer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** JSON, one value per line. */
final class Lines {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final PrintStream OUTPUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private Lines() {
    }

    static JsonNode parse(String line) throws JsonProcessingException {
        return MAPPER.readTree(line);
    }

    static void result(JsonNode request, Object result) {
        write(object("id", request.path("id").asLong(), "result", result));
    }

    static void error(JsonNode request, Throwable problem) {
        write(object("id", request.path("id").asLong(), "error", problem.toString()));
    }

    /** A map of alternating names and values, in order. */
    static Map<String, Object> object(Object... namesAndValues) {
        Map<String, Object> made = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            made.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        return made;
    }

    private static void write(Map<String, Object> line) {
        try {
            String text = MAPPER.writeValueAsString(line);
            synchronized (OUTPUT) {
                OUTPUT.println(text);
            }
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** What happens to one actor. */
    record Events(String from) {
        void tell(String event, Object... namesAndValues) {
            Map<String, Object> line = object("from", from, "event", event);
            line.putAll(object(namesAndValues));
            write(line);
        }
    }
}
