from hypothesis import settings

# fewer examples than usual: there are many laws, and the examples themselves are cheap
settings.register_profile("ledger", settings.get_profile("patient"), max_examples=60)
settings.load_profile("ledger")
