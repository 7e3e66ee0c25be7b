"""Serves moto on the port given, on this machine only, until its standard input ends: with the test that started it."""
import os
import sys
import threading

from moto.server import main


def end_with_starter():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_starter, daemon=True).start()
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
