import CPlatform
import Proving
import Testing

@testable import EtcdStorage
import Maintenance

@Suite struct ChecksumTests {
    @Test func `CRC-32C of the standard's check string is the standard's value`() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
    }

    @Test func `The processor's instruction and the portable path agree on every length and start`() {
        var generator = SplitMix(seed: 11)
        for length in 0..<200 {
            let bytes = generator.bytes(length)
            let seed = UInt32.random(in: 0...UInt32.max, using: &generator)
            bytes.withUnsafeBytes {
                #expect(drydock_crc32c(seed, $0.baseAddress, length) == drydock_crc32c_portable(seed, $0.baseAddress, length))
            }
        }
    }

    @Test func `A chain that starts from a checksum goes on as if never interrupted`() {
        let bytes = Array("metadata and entries".utf8)
        var chain = CRC32C(CRC32C.checksum(Array(bytes[..<8])))
        let rest = Array(bytes[8...])
        chain.update(rest.span.bytes)
        #expect(chain.value == CRC32C.checksum(bytes))
    }
}
