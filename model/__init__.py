"""Fun-Audio-Chat itself: processor, encoders, backbone, speech head, detokenizer, and its adapter."""
