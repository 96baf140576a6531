package peer;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.Security;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Collection;
import java.util.Collections;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.est.ESTService;
import org.bouncycastle.est.EnrollmentResponse;
import org.bouncycastle.est.jcajce.JcaJceUtils;
import org.bouncycastle.est.jcajce.JsseESTServiceBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;

/** EST over HTTPS by Bouncy Castle. */
final class Est {
    static {
        Security.addProvider(new BouncyCastleProvider()); // its EST client asks for it by name
    }

    private Est() {}

    /**
     * Carries out an operation at `127.0.0.1:port` below a label. `identity`: the client's PKCS#8 key, its certificate,
     * and the CA that must have certified the server.
     */
    static byte[] carryOut(String operation, byte[] port, byte[] label, byte[] request, byte[]... identity)
            throws Exception {
        ESTService service = service(Integer.parseInt(text(port)), text(label), identity);
        switch (operation) {
            case "est-cacerts":
                return sequence(service.getCACerts().getCertificateStore().getMatches(null));
            case "est-csrattrs":
                return service.getCSRAttributes().getAttributesResponse().getEncoded();
            case "est-simpleenroll":
            case "est-simplereenroll":
                boolean renew = operation.equals("est-simplereenroll");
                EnrollmentResponse enrolled =
                        service.simpleEnroll(renew, new PKCS10CertificationRequest(request), null);
                if (!enrolled.isCompleted()) {
                    throw new IllegalStateException("not before " + enrolled.getNotBefore());
                }
                return sequence(enrolled.getStore().getMatches(null));
            case "est-serverkeygen":
                EnrollmentResponse made =
                        service.simpleEnrollWithServersideCreation(new PKCS10CertificationRequest(request), null);
                ASN1EncodableVector both = new ASN1EncodableVector();
                both.add(made.getPrivateKeyInfo());
                both.add(made.getStore().getMatches(null).iterator().next().toASN1Structure());
                return new DERSequence(both).getEncoded();
            default:
                throw new IllegalArgumentException(operation);
        }
    }

    private static ESTService service(int port, String label, byte[]... identity) throws Exception {
        TrustAnchor anchor = new TrustAnchor(certificate(identity[2]), null);
        JsseESTServiceBuilder builder = new JsseESTServiceBuilder(
                "127.0.0.1", port, JcaJceUtils.getCertPathTrustManager(Collections.singleton(anchor), null));
        builder.withKeyManagers(keys(identity[0], certificate(identity[1])));
        builder.withHostNameAuthorizer((name, context) -> true); // the one server that CA has certified
        builder.withLabel(label);
        return builder.build();
    }

    private static KeyManager[] keys(byte[] pkcs8, X509Certificate own) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        char[] password = new char[0];
        store.setKeyEntry(
                "own",
                KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(pkcs8)),
                password,
                new Certificate[] {own});
        KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, password);
        return factory.getKeyManagers();
    }

    private static X509Certificate certificate(byte[] der) throws Exception {
        return (X509Certificate)
                CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(der));
    }

    private static byte[] sequence(Collection<X509CertificateHolder> certificates) throws Exception {
        ASN1EncodableVector items = new ASN1EncodableVector();
        for (X509CertificateHolder certificate : certificates) {
            items.add(certificate.toASN1Structure());
        }
        return new DERSequence(items).getEncoded();
    }

    private static String text(byte[] data) {
        return new String(data, StandardCharsets.US_ASCII);
    }
}
