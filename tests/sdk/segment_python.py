"""segment-analytics-python: every call type, delivered before it exits with 0.

With `gzip` as the third argument the bodies are packed.
"""

import sys
from segment.analytics.client import Client

host, write_key = sys.argv[1:3]
errors = []
client = Client(
    write_key,
    host=host,
    gzip="gzip" in sys.argv[3:],
    on_error=lambda error, items: errors.append(error),
    upload_size=6,
    upload_interval=0.2,
)

for visit in (1, 2):
    who = {"user_id": "u1", "anonymous_id": "a1"}
    place = {"section": f"s{visit}"}
    client.identify(**who, traits={"email": "Ada@Example.org", "plan": f"plan-{visit}"})
    client.track(**who, event="Product Viewed", properties={"product_id": f"p{visit}", "price": 19.99})
    client.page(**who, name="Home", properties=place)
    client.screen(**who, name="Main", properties=place)
    client.group(**who, group_id="g1", traits={"name": "Company"})
    client.alias(previous_id=f"old-{visit}", user_id="u1")

client.flush()
client.join()
for error in errors:
    print(error, file=sys.stderr)
sys.exit(1 if errors else 0)
