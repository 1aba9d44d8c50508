"""From a pod's environment to running processes, and from their ends back to one exit code.

`launcher` (light: no torch) waits for worker 0 and starts `agent`, which is torchrun's; the agent
starts `worker` once a process of the gang. The launcher reads what they left and ends as the
contract says.
"""
