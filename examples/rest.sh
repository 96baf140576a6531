#!/bin/sh
# Every operation on a device over HTTP, by curl. Beside `lwm2m-server serve --dev` and a device called `sensor`.
set -eu
DATA=${DATA:-data}
API=${API:-http://127.0.0.1:8080/api/v1}
SENSOR=$API/devices/sensor
AUTH="Authorization: Bearer $(cat "$DATA/operator.token")"

ask() { curl --silent --show-error --fail-with-body --header "$AUTH" --header "Content-Type: application/json" "$@"; echo; }

ask "$API/devices"
ask "$SENSOR/read" --data '{"path": "/3/0/0", "wait": 60}'
ask "$SENSOR/write" --data '{"path": "/3442/0/110", "value": "hello"}'
ask "$SENSOR/update" --data '{"path": "/1/0", "value": {"1": 120, "6": true}}'
ask "$SENSOR/execute" --data '{"path": "/3303/0/5605"}'
ask "$SENSOR/create" --data '{"path": "/3442/9", "value": {"110": "made over HTTP", "150": "00ff", "1120": {"0": 1}}}'
ask "$SENSOR/delete" --data '{"path": "/3442/9"}'
ask "$SENSOR/write-attributes" --data '{"path": "/3303/0/5700", "attributes": {"pmin": 0, "pmax": 60}}'
ask "$SENSOR/discover" --data '{"path": "/3303/0"}'
ask "$SENSOR/read-composite" --data '{"paths": ["/3442/0/110", "/3303/0/5701"]}'
ask "$SENSOR/write-composite" --data '{"values": {"/3442/0/110": "again", "/1/0/1": 90}}'
ask "$SENSOR/observe" --data '{"paths": ["/3303/0/5700"]}'
ask "$SENSOR/observations"
ask --no-buffer --max-time "${LISTEN:-3600}" "$SENSOR/notifications" || true
ask "$SENSOR/values"
ask --request DELETE "$SENSOR/observations/1"
