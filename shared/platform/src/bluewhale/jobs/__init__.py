"""Long works over the main database: preparing, re-join, re-rating."""
