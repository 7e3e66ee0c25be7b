"""Serves moto on the port given, on this machine only."""
import sys

from moto.server import main

main(["-H", "127.0.0.1", "-p", sys.argv[1]])
