from hypothesis import settings

# no time limit per example: the machine is shared; the examples themselves are cheap
settings.register_profile("ledger", deadline=None, database=None, max_examples=60)
settings.load_profile("ledger")
