package peer;

import java.util.Date;
import java.util.Map;
import org.eclipse.leshan.client.resource.SimpleInstanceEnabler;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;

/** The Device object (3); executing tells instead of acting. */
final class Hardware extends SimpleInstanceEnabler {
    private final Lines.Events events;

    Hardware(Lines.Events events) {
        this.events = events;
        initialValues = Map.of(0, "Example", 1, "Leshan peer", 2, "0001", 3, "1.0", 11, Map.of(0, 0L), 13,
                new Date(1_500_000_000_000L), 14, "+01:00", 15, "Europe/Berlin", 16, "U");
    }

    @Override
    public ExecuteResponse execute(LwM2mServer server, int resource, Arguments arguments) {
        events.tell("executed", "path", "/3/0/" + resource, "arguments", arguments.serialize());
        return ExecuteResponse.success();
    }
}
