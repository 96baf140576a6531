package peer;

import org.eclipse.leshan.client.observer.LwM2mClientObserverAdapter;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.request.BootstrapRequest;
import org.eclipse.leshan.core.request.DeregisterRequest;
import org.eclipse.leshan.core.request.RegisterRequest;
import org.eclipse.leshan.core.request.UpdateRequest;

/** How a client gets on with its servers. */
final class Progress extends LwM2mClientObserverAdapter {
    private final Lines.Events events;

    Progress(Lines.Events events) {
        this.events = events;
    }

    @Override
    public void onBootstrapSuccess(LwM2mServer server, BootstrapRequest request) {
        events.tell("bootstrapped");
    }

    @Override
    public void onBootstrapFailure(LwM2mServer server, BootstrapRequest request, ResponseCode code, String message,
            Exception cause) {
        events.tell("bootstrap failed", "code", number(code), "problem", text(message, cause));
    }

    @Override
    public void onBootstrapTimeout(LwM2mServer server, BootstrapRequest request) {
        events.tell("bootstrap failed", "problem", "timeout");
    }

    @Override
    public void onRegistrationSuccess(LwM2mServer server, RegisterRequest request, String registrationId) {
        events.tell("registered", "handle", registrationId);
    }

    @Override
    public void onRegistrationFailure(LwM2mServer server, RegisterRequest request, ResponseCode code, String message,
            Exception cause) {
        events.tell("registration failed", "code", number(code), "problem", text(message, cause));
    }

    @Override
    public void onRegistrationTimeout(LwM2mServer server, RegisterRequest request) {
        events.tell("registration failed", "problem", "timeout");
    }

    @Override
    public void onUpdateSuccess(LwM2mServer server, UpdateRequest request) {
        events.tell("updated");
    }

    @Override
    public void onUpdateFailure(LwM2mServer server, UpdateRequest request, ResponseCode code, String message,
            Exception cause) {
        events.tell("update failed", "code", number(code), "problem", text(message, cause));
    }

    @Override
    public void onDeregistrationSuccess(LwM2mServer server, DeregisterRequest request) {
        events.tell("deregistered");
    }

    @Override
    public void onUnexpectedError(Throwable problem) {
        events.tell("failed", "problem", problem.toString());
    }

    private static Integer number(ResponseCode code) {
        return code == null ? null : code.getCode();
    }

    private static String text(String message, Exception cause) {
        return cause == null ? message : message + ": " + cause;
    }
}
