//! SQL in, GraphQL and REST GETs out: the read side
