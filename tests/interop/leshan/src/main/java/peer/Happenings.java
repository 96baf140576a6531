package peer;

import java.util.Arrays;
import java.util.Collection;
import java.util.Map;
import java.util.TreeMap;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.node.TimestampedLwM2mNodes;
import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.request.SendRequest;
import org.eclipse.leshan.core.response.ObserveCompositeResponse;
import org.eclipse.leshan.core.response.ObserveResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.observation.ObservationListener;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationListener;
import org.eclipse.leshan.server.registration.RegistrationUpdate;
import org.eclipse.leshan.server.send.SendListener;

/** What happens at a server by itself. */
final class Happenings implements RegistrationListener, ObservationListener, SendListener {
    private final Lines.Events events;

    private Happenings(Lines.Events events) {
        this.events = events;
    }

    static void tell(LeshanServer server, Lines.Events events) {
        Happenings happenings = new Happenings(events);
        server.getRegistrationService().addListener(happenings);
        server.getObservationService().addListener(happenings);
        server.getSendService().addListener(happenings);
    }

    static Map<String, Object> describe(Registration one) {
        Map<String, Object> objects = new TreeMap<>();
        one.getSupportedObject().forEach((id, version) -> objects.put(id.toString(), version.toString()));
        return Lines.object("lifetime", one.getLifeTimeInSec(), "version", one.getLwM2mVersion().toString(), "binding",
                one.getBindingMode().toString(), "queue", one.getQueueMode(), "objects", objects, "links",
                Arrays.stream(one.getObjectLinks()).map(Link::toCoreLinkFormat).toList());
    }

    @Override
    public void registered(Registration one, Registration previous, Collection<Observation> observations) {
        events.tell("registered", "endpoint", one.getEndpoint(), "registration", describe(one));
    }

    @Override
    public void updated(RegistrationUpdate update, Registration updated, Registration previous) {
        events.tell("updated", "endpoint", updated.getEndpoint(), "registration", describe(updated));
    }

    @Override
    public void unregistered(Registration one, Collection<Observation> observations, boolean expired,
            Registration successor) {
        if (successor == null) {
            events.tell(expired ? "expired" : "deregistered", "endpoint", one.getEndpoint());
        }
    }

    @Override
    public void newObservation(Observation observation, Registration registration) {
    }

    @Override
    public void cancelled(Observation observation) {
    }

    @Override
    public void onResponse(SingleObservation observation, Registration one, ObserveResponse response) {
        events.tell("notified", "endpoint", one.getEndpoint(), "path", observation.getPath().toString(), "value",
                Values.toJson(response.getContent()));
    }

    @Override
    public void onResponse(CompositeObservation observation, Registration one, ObserveCompositeResponse response) {
        events.tell("notified", "endpoint", one.getEndpoint(), "values", Values.toJson(response.getContent()));
    }

    @Override
    public void onError(Observation observation, Registration one, Exception error) {
        events.tell("notification failed", "endpoint", one.getEndpoint(), "problem", error.toString());
    }

    @Override
    public void dataReceived(Registration one, TimestampedLwM2mNodes data, SendRequest request) {
        events.tell("sent", "endpoint", one.getEndpoint(), "values", Values.toJson(data.getMostRecentNodes()));
    }

    @Override
    public void onError(Registration one, String message, Exception error) {
        events.tell("send failed", "endpoint", one.getEndpoint(), "problem", message + ": " + error);
    }
}
