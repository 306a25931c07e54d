"""The worker under the name that RunPod's Hub looks for."""

from faceswap.worker.handler import main

if __name__ == "__main__":
    main()
