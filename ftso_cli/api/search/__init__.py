"""The verbs that search, and how a search is run, recorded and resumed."""
