"""What tools/bench is made of: servers, loads, scenarios, and the ways to show what came out."""
