"""Search algorithms: the topology first, the operators second."""
