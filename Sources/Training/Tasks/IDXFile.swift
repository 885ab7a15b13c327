/// Reads images and labels in the IDX format of MNIST (LeCun, Cortes, Burges 1998), for users who have such files.
public enum IDXFile {
    /// Unsigned bytes and their shape, such as [60000, 28, 28] for images.
    /// - Throws: `TrainingError` for bytes that are no IDX file of unsigned bytes, or not as long as their header says.
    public static func parse(_ bytes: [UInt8]) throws(TrainingError) -> (shape: [Int], values: [UInt8]) {
        guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0, bytes[2] == 8 else {
            throw TrainingError(
                "these bytes are no IDX file of unsigned bytes: it begins with 0, 0, 8; unpack it first if it is compressed")
        }
        let axes = Int(bytes[3])
        let header = 4 + 4 * axes
        guard axes >= 1, bytes.count >= header else {
            throw TrainingError("an IDX header of \(axes) axes is cut off after \(bytes.count) bytes")
        }
        var shape: [Int] = []
        var count = 1
        for axis in 0..<axes {
            let length = (0..<4).reduce(0) { $0 << 8 | Int(bytes[4 + 4 * axis + $1]) }
            let (product, overflow) = count.multipliedReportingOverflow(by: length)
            guard !overflow else { throw TrainingError("axis \(axis) of \(length) makes the IDX file too large") }
            count = product
            shape.append(length)
        }
        guard bytes.count - header == count else {
            throw TrainingError("an IDX file of shape \(shape) holds \(bytes.count - header) bytes")
        }
        return (shape, Array(bytes[header...]))
    }

    /// A batch of images scaled to [0, 1] with their labels.
    /// - Throws: `TrainingError` where there is not one label for each image.
    public static func batch(images: [UInt8], labels: [UInt8]) throws(TrainingError) -> MLP.Batch {
        let (shape, pixels) = try parse(images)
        let (count, classes) = try parse(labels)
        guard shape.count >= 2, count == [shape[0]] else { throw TrainingError("images of shape \(shape) with labels of shape \(count)") }
        return MLP.Batch(inputs: pixels.map { Double($0) / 255 }, labels: classes.map { Int($0) })
    }
}
