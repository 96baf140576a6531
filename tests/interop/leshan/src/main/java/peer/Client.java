package peer;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.TreeMap;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.engine.DefaultRegistrationEngineFactory;
import org.eclipse.leshan.client.object.LwM2mTestObject;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.client.send.ManualDataSender;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.LwM2mId;
import org.eclipse.leshan.core.model.StaticModel;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.codec.DefaultLwM2mDecoder;
import org.eclipse.leshan.core.node.codec.DefaultLwM2mEncoder;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.ReadRequest;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointsProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientProtocolProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coaps.CoapsClientProtocolProvider;

/**
 * A Leshan client with the objects Security, Server, Device, Firmware Update, Temperature (two instances) and Leshan's
 * test object with a resource of every type.
 *
 * <p>"uri" is the server's, or with "bootstrap" the bootstrap server's. Security is by "identity" and "psk" (hexadecimal),
 * or by "certificate", "key" and "server certificate" (PEM), or none. "old formats" adds the content formats of LwM2M 1.0.
 */
final class Client implements Actor {
    static final int SHORT_SERVER_ID = 123;
    private static final int TEMPERATURE = 3303;
    private static final int TEST_OBJECT = 3442;
    private static final long SEND_TIMEOUT_MILLISECONDS = 10_000;

    private final LeshanClient client;
    private final Thermometer thermometer = new Thermometer();

    Client(JsonNode request, Lines.Events events) throws Exception {
        ObjectsInitializer objects = new ObjectsInitializer(new StaticModel(Models.load(request)));
        if (request.path("bootstrap").asBoolean()) {
            objects.setInstancesForObject(LwM2mId.SECURITY, bootstrapAccount(request));
            objects.setClassForObject(LwM2mId.SERVER, Server.class);
        } else {
            objects.setInstancesForObject(LwM2mId.SECURITY, account(request));
            objects.setInstancesForObject(LwM2mId.SERVER, new Server(SHORT_SERVER_ID,
                    request.path("lifetime").asLong(300), EnumSet.of(BindingMode.U), false, BindingMode.U));
        }
        objects.setInstancesForObject(LwM2mId.DEVICE, new Hardware(events));
        objects.setFactoryForObject(LwM2mId.DEVICE, (definition, id, taken) -> new Hardware(events));
        objects.setInstancesForObject(LwM2mId.FIRMWARE, new Firmware(events));
        objects.setFactoryForObject(LwM2mId.FIRMWARE, (definition, id, taken) -> new Firmware(events));
        objects.setInstancesForObject(TEMPERATURE, thermometer, new Thermometer());
        objects.setInstancesForObject(TEST_OBJECT, new LwM2mTestObject());

        LeshanClientBuilder builder = new LeshanClientBuilder(request.path("endpoint").asText());
        builder.setObjects(objects.createAll());
        builder.setDataSenders(new ManualDataSender());
        builder.setEndpointsProviders(endpoints());
        builder.setRegistrationEngineFactory(new DefaultRegistrationEngineFactory()
                .setQueueMode(request.path("queue mode").asBoolean()).setRetryWaitingTimeInMs(60_000));
        if (request.path("old formats").asBoolean()) {
            builder.setDecoder(new DefaultLwM2mDecoder(true));
            builder.setEncoder(new DefaultLwM2mEncoder(true));
        }
        client = builder.build();
        client.addObserver(new Progress(events));
    }

    private static Security account(JsonNode request) throws Exception {
        String uri = request.path("uri").asText();
        if (request.has("psk")) {
            return Security.psk(uri, SHORT_SERVER_ID, request.path("identity").asText().getBytes(),
                    Credentials.hex(request.get("psk")));
        }
        if (request.has("certificate")) {
            return Security.x509(uri, SHORT_SERVER_ID, Credentials.certificates(request.get("certificate"))[0].getEncoded(),
                    Credentials.key(request.get("key")).getEncoded(),
                    Credentials.certificates(request.get("server certificate"))[0].getEncoded());
        }
        return Security.noSec(uri, SHORT_SERVER_ID);
    }

    private static Security bootstrapAccount(JsonNode request) throws Exception {
        String uri = request.path("uri").asText();
        if (request.has("psk")) {
            return Security.pskBootstrap(uri, request.path("identity").asText().getBytes(),
                    Credentials.hex(request.get("psk")));
        }
        if (request.has("certificate")) {
            return Security.x509Bootstrap(uri, Credentials.certificates(request.get("certificate"))[0].getEncoded(),
                    Credentials.key(request.get("key")).getEncoded(),
                    Credentials.certificates(request.get("server certificate"))[0].getEncoded());
        }
        return Security.noSecBootstrap(uri);
    }

    private static CaliforniumClientEndpointsProvider endpoints() {
        CaliforniumClientEndpointsProvider.Builder builder = new CaliforniumClientEndpointsProvider.Builder(
                new CoapClientProtocolProvider(), new CoapsClientProtocolProvider());
        Configuration configuration = builder.createDefaultConfiguration();
        configuration.set(DtlsConfig.DTLS_RECOMMENDED_CIPHER_SUITES_ONLY, false);
        configuration.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, 1 << 20);
        builder.setConfiguration(configuration);
        return builder.build();
    }

    @Override
    public Object start() {
        client.start();
        return null;
    }

    @Override
    public Object carryOut(String order, JsonNode request) throws Exception {
        switch (order) {
        case "update registration":
            client.triggerRegistrationUpdate();
            return null;
        case "read":
            return Values.toJson(client.getObjectTree().getObjectEnabler(path(request).getObjectId())
                    .read(LwM2mServer.SYSTEM, new ReadRequest(path(request).toString())).getContent());
        case "measure":
            thermometer.measure(request.path("value").asDouble());
            return null;
        case "send":
            return send(request);
        case "stop":
            client.destroy(request.path("deregister").asBoolean(true));
            return null;
        default:
            throw new IllegalArgumentException("no order for a client: " + order);
        }
    }

    private static LwM2mPath path(JsonNode request) {
        return new LwM2mPath(request.path("path").asText());
    }

    private Object send(JsonNode request) throws InterruptedException {
        List<String> paths = new ArrayList<>();
        request.path("paths").forEach(path -> paths.add(path.asText()));
        LwM2mServer server = new TreeMap<>(client.getRegisteredServers()).firstEntry().getValue();
        return client.getSendService().sendData(server, ContentFormat.fromName(request.path("format").asText()), paths,
                SEND_TIMEOUT_MILLISECONDS).getCode().getCode();
    }
}
