package peer;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.config.UdpConfig;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConfig.DtlsRole;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.endpoint.LwM2mServerEndpoint;
import org.eclipse.leshan.server.model.VersionedModelProvider;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.servers.security.InMemorySecurityStore;
import org.eclipse.leshan.servers.security.SecurityInfo;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coap.CoapServerProtocolProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coaps.CoapsServerProtocolProvider;

/**
 * A Leshan server on loopback, on free ports, with Leshan's own configuration.
 *
 * <p>"certificate", "key" and "trust" (PEM) make it speak X.509; "psk" is a list of endpoint, identity and key, "x509"
 * a list of endpoint names. "quiet" leaves out the events.
 */
final class Server implements Actor {
    private final LeshanServer server;
    private final Operations operations;

    Server(JsonNode request, Lines.Events events) throws Exception {
        LeshanServerBuilder builder = new LeshanServerBuilder();
        List<ObjectModel> models = Models.load(request);
        builder.setObjectModelProvider(new VersionedModelProvider(models));
        builder.setSecurityStore(security(request));
        if (request.has("certificate")) {
            builder.setPrivateKey(Credentials.key(request.get("key")));
            builder.setCertificateChain(Credentials.certificates(request.get("certificate")));
            builder.setTrustedCertificates(Credentials.certificates(request.get("trust")));
        }
        builder.setEndpointsProviders(endpoints(request));
        server = builder.build();
        operations = new Operations(server);
        if (!request.path("quiet").asBoolean()) {
            Happenings.tell(server, events);
        }
    }

    private static InMemorySecurityStore security(JsonNode request) throws Exception {
        InMemorySecurityStore store = new InMemorySecurityStore();
        for (JsonNode one : request.path("psk")) {
            store.add(SecurityInfo.newPreSharedKeyInfo(one.path("endpoint").asText(), one.path("identity").asText(),
                    Credentials.hex(one.path("key"))));
        }
        for (JsonNode one : request.path("x509")) {
            store.add(SecurityInfo.newX509CertInfo(one.asText()));
        }
        return store;
    }

    private static CaliforniumServerEndpointsProvider endpoints(JsonNode request) {
        CaliforniumServerEndpointsProvider.Builder builder = new CaliforniumServerEndpointsProvider.Builder(
                new CoapServerProtocolProvider(), new CoapsServerProtocolProvider());
        Configuration configuration = builder.createDefaultConfiguration();
        configuration.set(DtlsConfig.DTLS_ROLE, DtlsRole.SERVER_ONLY);
        // CCM_8, which LwM2M makes mandatory, is "not recommended" to Scandium.
        configuration.set(DtlsConfig.DTLS_RECOMMENDED_CIPHER_SUITES_ONLY, false);
        configuration.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, 1 << 20);
        // As much as our own server asks for.
        configuration.set(UdpConfig.UDP_RECEIVE_BUFFER_SIZE, 4 << 20);
        configuration.set(UdpConfig.UDP_SEND_BUFFER_SIZE, 4 << 20);
        builder.setConfiguration(configuration);
        builder.addEndpoint(new InetSocketAddress("127.0.0.1", 0), Protocol.COAP);
        if (request.has("certificate") || request.has("psk")) {
            builder.addEndpoint(new InetSocketAddress("127.0.0.1", 0), Protocol.COAPS);
        }
        return builder.build();
    }

    @Override
    public Object start() {
        server.start();
        Map<String, Object> ports = new TreeMap<>();
        for (LwM2mServerEndpoint endpoint : server.getEndpoints()) {
            ports.put(endpoint.getProtocol().getName().toLowerCase(), endpoint.getURI().getPort());
        }
        return ports;
    }

    @Override
    public Object carryOut(String order, JsonNode request) throws Exception {
        if (order.equals("stop")) {
            server.destroy();
            return null;
        }
        if (order.equals("live heap")) {
            System.gc();
            return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
        }
        if (order.equals("endpoints")) {
            Map<String, Object> found = new TreeMap<>();
            server.getRegistrationService().getAllRegistrations()
                    .forEachRemaining(one -> found.put(one.getEndpoint(), Happenings.describe(one)));
            return found;
        }
        if (order.equals("write to all")) {
            return operations.writeToAll(request);
        }
        Registration device = server.getRegistrationService().getByEndpoint(request.path("endpoint").asText());
        if (device == null) {
            throw new IllegalArgumentException("not registered: " + request.path("endpoint"));
        }
        return operations.carryOut(order, device, request);
    }
}
