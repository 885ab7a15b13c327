/// First and last stage: token look-up, output product, cross-entropy, BERT's heads, multi-token prediction.
extension LayerBuilder {
    /// Look-up (read and write a row), positions and dropout (read and write); backward reads the gradient and adds it to the fp32 rows of the
    /// table. Vocabulary-parallel: each rank looks up its own rows and the results are summed.
    mutating func embedding() {
        let elements = Double(tokens) * Double(a.hidden)
        elementwise("embedding", Traffic(forward: 4 * elements, backward: 6 * elements, kernels: (4, 5)), part: .embedding)
        if grid > 1 {
            // Each rank of a column looks up its part of the vocabulary for the column's tokens; the sums are parted again.
            communicate(
                "grid column reduction", .embedding, .forward,
                Communication(kind: .reduceScatter, group: .tensorColumn, bytes: hiddenBytes))
            communicate(
                "grid column broadcast", .embedding, .inputGradient,
                Communication(kind: .allGather, group: .tensorColumn, bytes: hiddenBytes))
        } else if t > 1 {
            let kind: CollectiveKind = isSequenceParallel ? .reduceScatter : .allReduce
            let name = isSequenceParallel ? "tensor reduce-scatter" : "tensor all-reduce"
            communicate(name, .embedding, .forward, Communication(kind: kind, group: .tensor, bytes: hiddenBytes))
            if isSequenceParallel {
                let gather = Communication(kind: .allGather, group: .tensor, bytes: hiddenBytes)
                communicate("tensor all-gather", .embedding, .inputGradient, gather)
            }
        }
        if a.embeddingNorm { norm("embedding norm", rows: Double(residualTokens), width: a.hidden, role: .other) }
    }

    mutating func head() {
        if a.finalNorm { norm("final norm", rows: Double(residualTokens), width: a.hidden, role: .other) }
        if a.maskedLMHead {
            let transform = GEMM(m: residualTokens, n: a.hidden, k: a.hidden, lowPrecision: false)
            products(Linear(name: "masked-LM transform", part: .head, gemm: transform), kernels: 1)
            activation(Double(residualTokens) * Double(a.hidden))
            norm("masked-LM norm", rows: Double(residualTokens), width: a.hidden, role: .other)
        }
        if a.pooler {
            let pooler = GEMM(m: sharding.microBatch, n: a.hidden, k: a.hidden, lowPrecision: false)
            products(Linear(name: "pooler", part: .head, gemm: pooler), kernels: 2)
        }
        output()
    }

    /// Logits and loss. Forward the cross-entropy casts 16-bit logits to fp32 (2 + 4 bytes) and reads and writes them once more for the softmax
    /// (4 + 4); backward it reads and overwrites the probabilities (4 + 4). Vocabulary-parallel: maximum, sum and the target's logit of each
    /// token are all-reduced (arXiv:1909.08053 section 3).
    private mutating func output() {
        let vocab = ceilDivide(a.outputs ?? a.vocab, t)
        guard vocab > 0 else { return }
        let tokens = a.scoredShare < 1 ? max(1, Int((Double(min(tokens, 1 << 52)) * a.scoredShare).rounded())) : tokens
        linear(Linear(name: "logits", part: .head, gemm: GEMM(m: tokens, n: vocab, k: a.hidden, lowPrecision: false), cut: .column))
        let logits = Double(tokens) * Double(vocab)
        addForward(Op("cross-entropy", .loss, .forward, .memory(MemoryPass(bytes: 14 * logits, rowLength: vocab)), kernels: 8))
        addBackward(Op("cross-entropy", .loss, .inputGradient, .memory(MemoryPass(bytes: 8 * logits, rowLength: vocab)), kernels: 4))
        guard t > 1 else { return }
        let perToken = Communication(kind: .allReduce, group: grid > 0 ? .tensorRow : .tensor, bytes: 4 * Double(tokens))
        for name in ["loss maximum", "loss sum", "loss target"] { communicate(name, .loss, .forward, perToken) }
    }

    /// Norms of the previous depth's hidden states and of the next token's embedding, their concatenation projected from 2h to h, a layer, and
    /// the shared norm and head.
    mutating func multiTokenPrediction() {
        embedding()
        norm(rows: 2 * Double(residualTokens), width: a.hidden)
        let concatenated = 4 * Double(residualTokens) * Double(a.hidden)
        elementwise("concatenation", Traffic(forward: concatenated, backward: concatenated))
        let projection = GEMM(m: residualTokens, n: a.hidden, k: 2 * a.hidden)
        products(Linear(name: "prediction projection", part: .projection, gemm: projection), kernels: 1)
        transformerLayer(LayerVariant(kind: a.moe == nil ? .dense : .moe))
        head()
    }
}
