"""A script with a pool in a given state, which ends in a given way or waits to be ended.

`python leaves_by_a_door.py DOOR STATE`. It tells the processes of its pool as JSON, and waits for a
line: meanwhile it is noted who they are.
"""

import json
import os
import sys
import time

import snakepit_nb as snakepit
from tests.end_to_end.door_tools import prepare

door, state = sys.argv[1:]
sys.stdout.write(json.dumps(prepare(state)) + "\n")
sys.stdout.flush()
sys.stdin.readline()
match door:
    case "end":
        pass
    case "stop":
        snakepit.stop(now=True)
        snakepit.stop(now=True)
    case "exception":
        raise ValueError("it ends the script")
    case "exit":
        os._exit(5)
    case _:
        while True:  # a signal right before `signal.pause` would be heard after it
            time.sleep(0.01)
