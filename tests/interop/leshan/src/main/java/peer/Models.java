package peer;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;

/** Object definitions: those in the folder that "definitions" names, and Leshan's own, which its own objects need. */
final class Models {
    private Models() {
    }

    static List<ObjectModel> load(JsonNode request) {
        File folder = new File(request.path("definitions").asText());
        List<ObjectModel> ours = ObjectLoader.loadObjectsFromDir(folder, true);
        String[] files = folder.list((parent, name) -> name.endsWith(".xml"));
        // Leshan logs a definition it finds invalid, and goes on.
        if (files == null || files.length != ours.size()) {
            throw new IllegalArgumentException("a definition in " + folder + " is missing or invalid");
        }
        List<ObjectModel> models = new ArrayList<>(ours);
        models.addAll(ObjectLoader.loadAllDefault());
        return models;
    }
}
