// Package platforms holds Node objects as many platforms write them, and what Rollcall says of each: in testdata, a
// folder for each. It has only tests.
package platforms
