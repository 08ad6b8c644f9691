"""What votes of a study say: who is screened out, means, preference, agreement, and metrics compared with them."""
