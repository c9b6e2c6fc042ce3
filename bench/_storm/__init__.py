"""What `./pricebraid bench storm` is made of: the script, the truth, the clients, and the judging."""
