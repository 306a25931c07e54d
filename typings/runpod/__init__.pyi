# The little of RunPod's SDK that the worker uses. The SDK itself lives in the worker's environment: it cannot
# be installed beside gradio (they need different tomlkit), so its types are written down here.
from . import serverless as serverless
