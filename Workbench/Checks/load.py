"""Load and fuzz of a running server: load.py ADDRESS [REQUESTS] [CLIENTS]. Prints latencies by kind, statuses, memory; exit status 1 on any 500."""

import http.client
import json
import random
import sys
import threading
import time
from urllib.parse import urlparse

ADDRESS = urlparse(sys.argv[1])
REQUESTS = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
CLIENTS = int(sys.argv[3]) if len(sys.argv) > 3 else 50
PID = int(sys.argv[4]) if len(sys.argv) > 4 else None

JOB = """model: {preset: llama3-405b}
cluster: {gpu: h100-sxm-80gb, gpus: 16384}
layout: {tensor: 8, pipeline: 16, virtual: 8, zero: 1, sequence_parallel: true}
training: {global_batch: %d, micro_batch: 1, sequence: 8192, tokens: 15T}
prices: {gpu_hour: 2.00 USD/h}
"""
SMALL = """model: {preset: llama3-8b}
cluster: {gpu: h100-sxm-80gb, gpus: %d}
layout: {zero: 3}
training: {global_batch: 1024, micro_batch: 1, sequence: 8192}
"""
WORDS = ["{", "}", "[", ":", "-", "0", "-1", "1e300", "~", "&a", "*a", "true", "é", "\x00", "|", '"', "layout", "tensor: 99999999", "gpus: 1"]


def request(random_):
    """Method, path, body, kind."""
    kind = random_.random()
    if kind < 0.35:
        return "POST", "/api/view", json.dumps({"scenario": JOB % random_.choice([1024, 2048, 4096]), "set": [f"cluster.gpus={random_.choice([8192, 16384])}", f"training.sequence={random_.randrange(4096, 8193, 64)}"]}), "view 16k"
    if kind < 0.6:
        return "POST", "/api/run", json.dumps({"scenario": SMALL % random_.choice([8, 16, 32, 64, 128, 256]), "set": [f"training.sequence={random_.randrange(512, 8193, 64)}"]}), "run small"
    if kind < 0.7:
        return "GET", random_.choice(["/", "/api/catalogue", "/api/keys", "/page.js", "/api/openapi.json"]), None, "static"
    text = list(SMALL % 8)
    for _ in range(random_.randrange(1, 6)):
        at = random_.randrange(len(text))
        text[at:at + random_.randrange(0, 4)] = random_.choice(WORDS)
    body = json.dumps({"scenario": "".join(text)})
    if kind > 0.95:
        bytes_ = list(body)
        for _ in range(3):
            bytes_[random_.randrange(len(bytes_))] = random_.choice('{}[]",:\\x')
        body = "".join(bytes_)
    path = random_.choice(["/api/run", "/api/view", "/api/explain", "/api/compare", "/api/sweep", "/api/search/x", "/api/report", "/api/" + random_.choice(WORDS[:8])])
    return random_.choice(["POST", "POST", "POST", "POST", "GET", "PUT", "DELETE"]), "".join(c for c in path if 32 < ord(c) < 127), body, "fuzz"


times, statuses, lock, memory, server_faults = {}, {}, threading.Lock(), [], []


def resident():
    if PID is None:
        return 0
    with open(f"/proc/{PID}/status") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1]) / 1024


def client(number):
    random_ = random.Random(number)
    connection = http.client.HTTPConnection(ADDRESS.hostname, ADDRESS.port, timeout=120)
    for index in range(REQUESTS // CLIENTS):
        method, path, body, kind = request(random_)
        start = time.time()
        try:
            connection.request(method, path, body, {"content-type": "application/json"} if body else {})
            answer = connection.getresponse()
            text = answer.read()
            status = answer.status
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            connection = http.client.HTTPConnection(ADDRESS.hostname, ADDRESS.port, timeout=120)
            status, text = type(error).__name__, b""
        with lock:
            times.setdefault(kind, []).append(time.time() - start)
            statuses[status] = statuses.get(status, 0) + 1
            if status == 500 or not isinstance(status, int):
                server_faults.append((method, path, body, text[:300]))
            if sum(statuses.values()) % max(1, REQUESTS // 10) == 0:
                memory.append(round(resident()))


start = time.time()
threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
wall = time.time() - start
print(f"{sum(statuses.values())} requests of {CLIENTS} clients in {wall:.0f} s, {sum(statuses.values()) / wall:.0f} a second")
for kind, values in sorted(times.items()):
    values.sort()
    print(f"  {kind:10} {len(values):7}  p50 {values[len(values) // 2] * 1e3:7.1f} ms  p95 {values[int(len(values) * .95)] * 1e3:7.1f} ms  worst {values[-1] * 1e3:7.1f} ms")
print("  statuses", dict(sorted(statuses.items(), key=str)))
print("  memory MB", memory)
for fault in server_faults[:5]:
    print("  FAULT", fault)
sys.exit(1 if server_faults else 0)
