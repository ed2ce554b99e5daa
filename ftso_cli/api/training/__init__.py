"""The verbs that train networks and use what was trained."""
