"""Other people's price maps: brought in as price files of ours, and held against our prices."""
