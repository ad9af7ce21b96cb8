"""The Kenya Revenue Authority: eTIMS for tax documents, GavaConnect for checks and returns."""
