"""From scraped series to observations: what is known of each metric, and how its samples are counted."""
