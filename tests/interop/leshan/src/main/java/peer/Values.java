package peer;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Date;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.leshan.core.link.DefaultLinkSerializer;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.link.lwm2m.DefaultLwM2mLinkParser;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObject;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mResourceInstance;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.node.ObjectLink;
import org.eclipse.leshan.core.util.datatype.ULong;

/**
 * Values and nodes in JSON: an object is {instance: {resource: value}}, a multiple resource {resource instance: value},
 * opaque is hexadecimal, time is seconds, an object link "3:0", a core link its text.
 */
final class Values {
    private Values() {
    }

    static Object toJson(LwM2mNode node) {
        if (node instanceof LwM2mObject object) {
            return members(object.getInstances());
        }
        if (node instanceof LwM2mObjectInstance instance) {
            return members(instance.getResources());
        }
        if (node instanceof LwM2mResource resource) {
            return resource.isMultiInstances() ? members(resource.getInstances()) : value(resource.getValue());
        }
        return node == null ? null : value(((LwM2mResourceInstance) node).getValue());
    }

    static Map<String, Object> toJson(Map<LwM2mPath, LwM2mNode> nodes) {
        Map<String, Object> json = new LinkedHashMap<>();
        nodes.forEach((path, node) -> json.put(path.toString(), toJson(node)));
        return json;
    }

    private static Map<String, Object> members(Map<Integer, ? extends LwM2mNode> nodes) {
        Map<String, Object> json = new LinkedHashMap<>();
        nodes.forEach((id, node) -> json.put(id.toString(), toJson(node)));
        return json;
    }

    private static Object value(Object value) {
        if (value instanceof byte[] bytes) {
            return HexFormat.of().formatHex(bytes);
        }
        if (value instanceof Date date) {
            return date.getTime() / 1000;
        }
        if (value instanceof ULong number) {
            return number.toBigInteger();
        }
        if (value instanceof ObjectLink link) {
            return link.encodeToString();
        }
        if (value instanceof Link[] links) {
            return new DefaultLinkSerializer().serializeCoreLinkFormat(links);
        }
        return value;
    }

    /** The node that {@code json} is at {@code path}, with the types of the model. */
    static LwM2mNode fromJson(LwM2mPath path, JsonNode json, LwM2mModel model) throws Exception {
        if (path.isObjectInstance()) {
            return new LwM2mObjectInstance(path.getObjectInstanceId(), resources(path, json, model));
        }
        ResourceModel resource = model.getResourceModel(path.getObjectId(), path.getResourceId());
        if (path.isResourceInstance()) {
            return LwM2mResourceInstance.newInstance(path.getResourceInstanceId(), value(json, resource.type),
                    resource.type);
        }
        if (!resource.multiple) {
            return LwM2mSingleResource.newResource(resource.id, value(json, resource.type), resource.type);
        }
        List<LwM2mResourceInstance> instances = new ArrayList<>();
        for (Map.Entry<String, JsonNode> one : json.properties()) {
            instances.add(LwM2mResourceInstance.newInstance(Integer.parseInt(one.getKey()),
                    value(one.getValue(), resource.type), resource.type));
        }
        return new LwM2mMultipleResource(resource.id, resource.type, instances);
    }

    static List<LwM2mResource> resources(LwM2mPath instance, JsonNode json, LwM2mModel model) throws Exception {
        List<LwM2mResource> resources = new ArrayList<>();
        for (Map.Entry<String, JsonNode> one : json.properties()) {
            resources.add((LwM2mResource) fromJson(instance.append(Integer.parseInt(one.getKey())), one.getValue(), model));
        }
        return resources;
    }

    static Object value(JsonNode json, Type type) throws Exception {
        return switch (type) {
        case STRING -> json.asText();
        case INTEGER -> json.asLong();
        case UNSIGNED_INTEGER -> ULong.valueOf(json.bigIntegerValue());
        case FLOAT -> json.asDouble();
        case BOOLEAN -> json.asBoolean();
        case OPAQUE -> Credentials.hex(json);
        case TIME -> new Date(json.asLong() * 1000);
        case OBJLNK -> ObjectLink.decodeFromString(json.asText());
        case CORELINK -> new DefaultLwM2mLinkParser().parseCoreLinkFormat(json.asText().getBytes());
        case NONE -> throw new IllegalArgumentException("a resource without values");
        };
    }
}
