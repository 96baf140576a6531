package peer;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.link.lwm2m.attributes.DefaultLwM2mAttributeParser;
import org.eclipse.leshan.core.link.lwm2m.attributes.LwM2mAttributeSet;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.request.CancelCompositeObservationRequest;
import org.eclipse.leshan.core.request.CancelObservationRequest;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.CreateRequest;
import org.eclipse.leshan.core.request.DeleteRequest;
import org.eclipse.leshan.core.request.DiscoverRequest;
import org.eclipse.leshan.core.request.DownlinkDeviceManagementRequest;
import org.eclipse.leshan.core.request.ExecuteRequest;
import org.eclipse.leshan.core.request.ObserveCompositeRequest;
import org.eclipse.leshan.core.request.ObserveRequest;
import org.eclipse.leshan.core.request.ReadCompositeRequest;
import org.eclipse.leshan.core.request.ReadRequest;
import org.eclipse.leshan.core.request.WriteAttributesRequest;
import org.eclipse.leshan.core.request.WriteCompositeRequest;
import org.eclipse.leshan.core.request.WriteRequest;
import org.eclipse.leshan.core.response.CreateResponse;
import org.eclipse.leshan.core.response.DiscoverResponse;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.core.response.ReadCompositeResponse;
import org.eclipse.leshan.core.response.ReadResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.registration.Registration;

/** The operations of a server on a device; each result has the CoAP code (205 is 2.05) and what came with it. */
final class Operations {
    private static final long TIMEOUT_MILLISECONDS = 20_000;

    private final LeshanServer server;

    Operations(LeshanServer server) {
        this.server = server;
    }

    Object carryOut(String order, Registration device, JsonNode request) throws Exception {
        if (order.equals("cancel")) {
            return cancel(device);
        }
        if (order.equals("forget")) {
            return server.getObservationService().cancelObservations(device);
        }
        LwM2mResponse response = send(device, request(order, device, request));
        Map<String, Object> result = new TreeMap<>();
        result.put("code", response.getCode().getCode());
        if (response.getErrorMessage() != null) {
            result.put("problem", response.getErrorMessage());
        }
        if (response instanceof ReadCompositeResponse read && read.getContent() != null) {
            result.put("values", Values.toJson(read.getContent()));
        } else if (response instanceof ReadResponse read && read.getContent() != null) {
            result.put("value", Values.toJson(read.getContent()));
        } else if (response instanceof DiscoverResponse discovered && discovered.getObjectLinks() != null) {
            result.put("links", Arrays.stream(discovered.getObjectLinks()).map(Link::toCoreLinkFormat).toList());
        } else if (response instanceof CreateResponse created && created.getLocation() != null) {
            result.put("location", created.getLocation());
        }
        return result;
    }

    /** Write one opaque resource of "size" bytes to every device at once; how many took it. */
    int writeToAll(JsonNode request) throws InterruptedException {
        byte[] content = new byte[request.path("size").asInt()];
        LwM2mPath path = new LwM2mPath(request.path("path").asText());
        LwM2mNode node = LwM2mSingleResource.newBinaryResource(path.getResourceId(), content);
        AtomicInteger taken = new AtomicInteger();
        List<CountDownLatch> done = new ArrayList<>();
        server.getRegistrationService().getAllRegistrations().forEachRemaining(device -> {
            CountDownLatch one = new CountDownLatch(1);
            done.add(one);
            server.send(device, new WriteRequest(WriteRequest.Mode.REPLACE, ContentFormat.OPAQUE, path, node),
                    response -> {
                        taken.addAndGet(response.isSuccess() ? 1 : 0);
                        one.countDown();
                    }, problem -> one.countDown());
        });
        for (CountDownLatch one : done) {
            one.await();
        }
        return taken.get();
    }

    private DownlinkDeviceManagementRequest<? extends LwM2mResponse> request(String order, Registration device,
            JsonNode request) throws Exception {
        LwM2mModel model = server.getModelProvider().getObjectModel(device);
        ContentFormat format = request.has("format") ? ContentFormat.fromName(request.get("format").asText()) : null;
        String path = request.path("path").asText();
        JsonNode value = request.path("value");
        return switch (order) {
        case "read" -> new ReadRequest(format, path);
        case "observe" -> new ObserveRequest(format, path);
        case "discover" -> new DiscoverRequest(path);
        case "write", "update" -> {
            WriteRequest.Mode mode = order.equals("write") ? WriteRequest.Mode.REPLACE : WriteRequest.Mode.UPDATE;
            LwM2mPath place = new LwM2mPath(path);
            yield new WriteRequest(mode, format, place, Values.fromJson(place, value, model));
        }
        case "execute" -> new ExecuteRequest(path, request.path("arguments").asText(null));
        case "create" -> {
            LwM2mPath place = new LwM2mPath(path);
            if (place.isObject()) {
                yield new CreateRequest(format, path, Values.resources(place.append(0), value, model));
            }
            yield new CreateRequest(format, place.getObjectId(), new LwM2mObjectInstance(place.getObjectInstanceId(),
                    Values.resources(place, value, model)));
        }
        case "delete" -> new DeleteRequest(path);
        case "write attributes" -> new WriteAttributesRequest(path, new LwM2mAttributeSet(
                new DefaultLwM2mAttributeParser().parseUriQuery(request.path("attributes").asText())));
        case "read composite" -> new ReadCompositeRequest(paths(request), format, format, null);
        case "observe composite" -> new ObserveCompositeRequest(format, format, paths(request));
        case "write composite" -> {
            Map<LwM2mPath, LwM2mNode> nodes = new TreeMap<>();
            for (Map.Entry<String, JsonNode> one : request.path("values").properties()) {
                LwM2mPath place = new LwM2mPath(one.getKey());
                nodes.put(place, Values.fromJson(place, one.getValue(), model));
            }
            yield new WriteCompositeRequest(format, nodes, null);
        }
        default -> throw new IllegalArgumentException("no operation: " + order);
        };
    }

    private static List<LwM2mPath> paths(JsonNode request) {
        List<LwM2mPath> paths = new ArrayList<>();
        request.path("paths").forEach(path -> paths.add(new LwM2mPath(path.asText())));
        return paths;
    }

    /** End every observation actively, by a request to the device. */
    private List<Integer> cancel(Registration device) throws Exception {
        List<Integer> codes = new ArrayList<>();
        for (Observation one : server.getObservationService().getObservations(device)) {
            codes.add(one instanceof SingleObservation single
                    ? send(device, new CancelObservationRequest(single)).getCode().getCode()
                    : send(device, new CancelCompositeObservationRequest((CompositeObservation) one)).getCode().getCode());
            server.getObservationService().cancelObservation(one); // the request leaves it in the store
        }
        return codes;
    }

    private <T extends LwM2mResponse> T send(Registration device, DownlinkDeviceManagementRequest<T> request)
            throws Exception {
        T response = server.send(device, request, TIMEOUT_MILLISECONDS);
        if (response == null) {
            throw new IllegalStateException("no answer");
        }
        return response;
    }
}
