package peer;

import java.util.Map;
import org.eclipse.leshan.client.resource.SimpleInstanceEnabler;

/** A Temperature (3303) that shows what it is told to measure. */
public final class Thermometer extends SimpleInstanceEnabler {
    private static final int SENSOR_VALUE = 5700;
    private static final int SENSOR_UNITS = 5701;

    public Thermometer() {
        initialValues = Map.of(SENSOR_VALUE, 21.5d, SENSOR_UNITS, "Cel");
    }

    void measure(double value) {
        fireResourcesChange(applyValues(Map.of(SENSOR_VALUE, value)));
    }
}
