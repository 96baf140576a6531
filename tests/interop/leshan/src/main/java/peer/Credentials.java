package peer;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.HexFormat;

/** Keys and certificates: PEM with PKCS#8 for X.509, hexadecimal for pre-shared keys. */
final class Credentials {
    private Credentials() {
    }

    static byte[] hex(JsonNode text) {
        return HexFormat.of().parseHex(text.asText());
    }

    static X509Certificate[] certificates(JsonNode pem) throws Exception {
        byte[] text = pem.asText().getBytes(StandardCharsets.US_ASCII);
        return CertificateFactory.getInstance("X.509").generateCertificates(new ByteArrayInputStream(text))
                .toArray(X509Certificate[]::new);
    }

    static PrivateKey key(JsonNode pem) throws Exception {
        String base64 = pem.asText().replaceAll("-----[A-Z ]+-----|\\s", "");
        return KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(base64)));
    }
}
