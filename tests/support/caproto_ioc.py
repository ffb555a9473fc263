"""A caproto server with string PVs: its address, then the names of the PVs. Each line of its standard input is by
how many seconds its clock is wrong from then on. It ends when its standard input does."""

import os
import sys
import threading
import time

from caproto import ChannelString
from caproto.server import run

real_time = time.time
offset = 0.0
time.time = lambda: real_time() + offset


def follow_clock():
    global offset
    for line in sys.stdin:
        offset = float(line)
        print(f"clock {line.strip()}", flush=True)
    os._exit(0)


async def ready(*_):
    threading.Thread(target=follow_clock, daemon=True).start()
    print("IOC ready", flush=True)


address, *names = sys.argv[1:]
pvs = {name: ChannelString(value="Unknown") for name in names}
run(pvs, interfaces=[address], startup_hook=ready, log_pv_names=False)
