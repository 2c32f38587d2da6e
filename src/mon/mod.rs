//! The monitor client: finding monitors, keeping a session with one, subscriptions, versions and commands.
