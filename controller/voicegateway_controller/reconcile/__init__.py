"""What vendors say they are owed, against what the ledger says."""
