"""What others do, written anew from their papers and descriptions, to be measured beside ours."""
