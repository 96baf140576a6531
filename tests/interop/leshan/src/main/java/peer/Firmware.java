package peer;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import org.eclipse.leshan.client.resource.SimpleInstanceEnabler;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.response.WriteResponse;

/** Firmware Update (5) by push: a written package is "downloaded" at once, its SHA-256 is told, Update "installs" it. */
final class Firmware extends SimpleInstanceEnabler {
    private static final int PACKAGE = 0;
    private static final int UPDATE = 2;
    private static final int STATE = 3;
    private static final int RESULT = 5;

    private static final long IDLE = 0;
    private static final long DOWNLOADED = 2;
    private static final long SUCCESS = 1;

    private final Lines.Events events;

    Firmware(Lines.Events events) {
        this.events = events;
        initialValues = Map.of(PACKAGE, new byte[0], 1, "", STATE, IDLE, RESULT, 0L, 9, 1L);
    }

    @Override
    public WriteResponse write(LwM2mServer server, boolean replace, int id, LwM2mResource value) {
        if (id != PACKAGE) {
            return super.write(server, replace, id, value);
        }
        byte[] image = (byte[]) value.getValue();
        events.tell("package", "size", image.length, "sha256", sha256(image));
        become(image.length == 0 ? IDLE : DOWNLOADED, 0);
        return WriteResponse.success();
    }

    @Override
    public ExecuteResponse execute(LwM2mServer server, int id, Arguments arguments) {
        if (id != UPDATE) {
            return super.execute(server, id, arguments);
        }
        become(IDLE, SUCCESS);
        events.tell("installed");
        return ExecuteResponse.success();
    }

    private void become(long state, long result) {
        fireResourcesChange(applyValues(Map.of(STATE, state, RESULT, result)));
    }

    private static String sha256(byte[] image) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(image));
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
