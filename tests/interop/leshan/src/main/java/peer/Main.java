package peer;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * LwM2M clients and servers in one process, told what to do by JSON lines.
 *
 * <p>A request {@code {"id": 7, "to": "server-1", "do": "read", ...}} is answered by {@code {"id": 7, "result": ...}} or
 * {@code {"id": 7, "error": "..."}}; what happens by itself is {@code {"from": "server-1", "event": "registered", ...}}.
 * The requests "server" and "client" make the one that "to" names. The end of standard input ends the process.
 */
public final class Main {
    private final Map<String, Actor> actors = new HashMap<>();
    private final ExecutorService workers = Executors.newCachedThreadPool();

    public static void main(String[] arguments) throws Exception {
        new Main().run();
    }

    private void run() throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            JsonNode request = Lines.parse(line);
            workers.execute(() -> answer(request));
        }
        System.exit(0);
    }

    private void answer(JsonNode request) {
        try {
            Lines.result(request, carryOut(request));
        } catch (Throwable problem) { // the caller is told, whatever it is
            Lines.error(request, problem);
        }
    }

    private Object carryOut(JsonNode request) throws Exception {
        String name = request.path("to").asText();
        String order = request.path("do").asText();
        if (order.equals("server") || order.equals("client")) {
            Lines.Events events = new Lines.Events(name);
            Actor made = order.equals("server") ? new Server(request, events) : new Client(request, events);
            synchronized (actors) {
                actors.put(name, made);
            }
            return made.start();
        }
        Actor actor;
        synchronized (actors) {
            actor = order.equals("stop") ? actors.remove(name) : actors.get(name);
        }
        if (actor == null) {
            throw new IllegalArgumentException("nobody is called " + name);
        }
        return actor.carryOut(order, request);
    }
}
