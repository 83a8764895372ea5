"""What a call cost: its record, its tokens, and the counts kept across restarts."""
