"""What the measurements of speed share: peers, ceilings of the machine, tables and figures."""
