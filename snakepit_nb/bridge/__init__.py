"""What workers, and other programs, ask of the kernel: `snakepit.bridge.BridgeService`."""
