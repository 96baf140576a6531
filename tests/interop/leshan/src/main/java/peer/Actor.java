package peer;

import com.fasterxml.jackson.databind.JsonNode;

/** A client or a server. */
interface Actor {
    /** Begin; what the caller should know of it. */
    Object start() throws Exception;

    /** Do what {@code order} says with the members of {@code request}; "stop" is the last one. */
    Object carryOut(String order, JsonNode request) throws Exception;
}
