package peer;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.spec.PKCS8EncodedKeySpec;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.pkcs.Attribute;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cbor.c509.C509Certificate;
import org.bouncycastle.cbor.c509.C509CertificationRequest;
import org.bouncycastle.cbor.c509.C509CertificationRequestTemplate;
import org.bouncycastle.cbor.c509.C509PrivateKey;
import org.bouncycastle.cbor.c509.COSEC509;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.c509.C509CertificateBuilder;
import org.bouncycastle.cert.c509.C509CertificateHolder;
import org.bouncycastle.cert.c509.C509CertificationRequestBuilder;
import org.bouncycastle.cert.c509.C509CertificationRequestHolder;
import org.bouncycastle.cert.c509.jcajce.JcaC509ContentVerifierProviderBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.util.encoders.Hex;

/**
 * C509 and EST by Bouncy Castle: every line is an order and its arguments in hexadecimal, answered by a line of hexadecimal, or
 * by "!" and the exception. The end of standard input ends the process.
 */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        PrintStream output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            output.println(answer(line.split(" ")));
        }
    }

    private static String answer(String[] words) {
        try {
            byte[][] arguments = new byte[words.length - 1][];
            for (int place = 0; place < arguments.length; place++) {
                arguments[place] = Hex.decode(words[place + 1]);
            }
            return Hex.toHexString(carryOut(words[0], arguments));
        } catch (Throwable problem) { // the caller is told, whatever it is
            return "! " + problem;
        }
    }

    private static byte[] carryOut(String order, byte[]... arguments) throws Exception {
        if (order.startsWith("est-")) {
            return Est.carryOut(
                    order, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
        }
        switch (order) {
            case "certificate-to-c509":
                return C509Certificate.fromX509Certificate(arguments[0]).getEncoded();
            case "certificate-to-der":
                return C509Certificate.getInstance(arguments[0]).toX509Certificate().getEncoded();
            case "request-to-c509":
                return C509CertificationRequest.fromCertificationRequest(arguments[0]).getEncoded();
            case "request-to-der":
                return C509CertificationRequest.getInstance(arguments[0]).toCertificationRequest().getEncoded();
            case "issue":
                return issue(new X509CertificateHolder(arguments[0]), signer(arguments[1])).getEncoded();
            case "request":
                return request(new PKCS10CertificationRequest(arguments[0]), signer(arguments[1])).getEncoded();
            case "verify-certificate":
                return truth(new C509CertificateHolder(arguments[0])
                        .isSignatureValid(verifier().build(SubjectPublicKeyInfo.getInstance(arguments[1]))));
            case "verify-request":
                C509CertificationRequestHolder request = new C509CertificationRequestHolder(arguments[0]);
                return truth(request.isSignatureValid(verifier().build(request.getSubjectPublicKeyInfo())));
            case "template": // read and written again
                return C509CertificationRequestTemplate.getInstance(arguments[0]).getEncoded();
            case "private-key":
                return C509PrivateKey.getInstance(arguments[0]).getSubjectPrivateKeyEncoding();
            case "bag":
                C509Certificate[] certificates = new C509Certificate[arguments.length];
                for (int place = 0; place < arguments.length; place++) {
                    certificates[place] = C509Certificate.getInstance(arguments[place]);
                }
                return COSEC509.encode(certificates);
            case "count-bag":
                return new byte[] {(byte) COSEC509.decode(arguments[0]).length};
            default:
                throw new IllegalArgumentException(order);
        }
    }

    /** A natively signed certificate with the fields of an X.509 certificate. */
    private static C509CertificateHolder issue(X509CertificateHolder from, ContentSigner signer) throws Exception {
        C509CertificateBuilder builder = new C509CertificateBuilder(
                from.getIssuer(),
                from.getSerialNumber(),
                from.getNotBefore(),
                from.getNotAfter(),
                from.getSubject(),
                from.getSubjectPublicKeyInfo());
        for (Object oid : from.getExtensionOIDs()) {
            Extension extension = from.getExtension((ASN1ObjectIdentifier) oid);
            builder.addExtension(extension.getExtnId(), extension.isCritical(), extension.getParsedValue());
        }
        return builder.build(signer);
    }

    /** A natively signed request with the fields of a PKCS#10 request. */
    private static C509CertificationRequestHolder request(PKCS10CertificationRequest from, ContentSigner signer)
            throws Exception {
        C509CertificationRequestBuilder builder =
                new C509CertificationRequestBuilder(from.getSubject(), from.getSubjectPublicKeyInfo());
        Extensions extensions = from.getRequestedExtensions();
        if (extensions != null) {
            builder.setExtensionRequest(extensions);
        }
        for (Attribute attribute : from.getAttributes(PKCSObjectIdentifiers.pkcs_9_at_challengePassword)) {
            builder.setChallengePassword(attribute.getAttrValues().getObjectAt(0).toString());
        }
        return builder.build(signer);
    }

    private static ContentSigner signer(byte[] pkcs8) throws Exception {
        PrivateKey key = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(pkcs8));
        return new JcaContentSignerBuilder("SHA256withECDSA").build(key);
    }

    private static JcaC509ContentVerifierProviderBuilder verifier() {
        return new JcaC509ContentVerifierProviderBuilder().setProvider(new BouncyCastleProvider());
    }

    private static byte[] truth(boolean value) {
        return new byte[] {(byte) (value ? 1 : 0)};
    }
}
