//! What both HTTP sides share: error body, session, request context, serving
