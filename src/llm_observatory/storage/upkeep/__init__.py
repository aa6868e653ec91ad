"""What operators have done to tables and sessions by hand. What has to be done by itself is in `storage/maintenance.py`.

Everything here is one statement on one relation or session at a time, so that it can be told, broken off and run again.
"""
