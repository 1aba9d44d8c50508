"""Lists of prices: how they are written, and what they say of a machine. Ours are beside this."""
