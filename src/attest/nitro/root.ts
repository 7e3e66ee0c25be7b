/**
 * AWS's root of Nitro Enclaves (G1), compiled in. Published at
 * https://aws-nitro-enclaves.amazonaws.com/AWS_NitroEnclaves_Root-G1.zip with the SHA-256 fingerprint
 * 641A0321A3E244EFE456463195D606317ED7CDCC3C1756E09893F3C68F79BB5B.
 */
import { type Certificate, readCertificate } from '../x509/certificate.ts';

/** aws.nitro-enclaves, P-384, 2019-2049, self-signed; base64 of DER. */
const ROOT = [
  'MIICETCCAZagAwIBAgIRAPkxdWgbkK/hHUbMtOTn+FYwCgYIKoZIzj0EAwMwSTELMAkGA1UEBhMCVVMxDzANBgNVBAoMBkFtYXpvbjEMMAoGA1UE',
  'CwwDQVdTMRswGQYDVQQDDBJhd3Mubml0cm8tZW5jbGF2ZXMwHhcNMTkxMDI4MTMyODA1WhcNNDkxMDI4MTQyODA1WjBJMQswCQYDVQQGEwJVUzEP',
  'MA0GA1UECgwGQW1hem9uMQwwCgYDVQQLDANBV1MxGzAZBgNVBAMMEmF3cy5uaXRyby1lbmNsYXZlczB2MBAGByqGSM49AgEGBSuBBAAiA2IABPwC',
  'VOumCMHzaHDimtqQvkY4MpJzbolL//Zy2YlES1BR5TSksfbb48C8WBoyt7F2Bw7eEtaaP+ohG2bnUs990d0JX28TcPQXCEPZ3BABIeTPYwEoCWZE',
  'h8l5YoQwTcU/9KNCMEAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUkCW1DdkFR+eWw5b6cp3PmanfS5YwDgYDVR0PAQH/BAQDAgGGMAoGCCqG',
  'SM49BAMDA2kAMGYCMQCjfy+Rocm9Xue4YnwWmNJVA44fA0P5W2OpYow9OYCVRaEevL8uO1XYru5xtMPWrfMCMQCi85sWBbJwKKXdS6BptQFuZbT7',
  '3o/gBh1qUxl/nNr12UO8Yfwr6wPLb+6NIwLz3/Y=',
].join('');

let pinned: Certificate | undefined;

export function pinnedNitroRoot(): Certificate {
  return (pinned ??= readCertificate(new Uint8Array(Buffer.from(ROOT, 'base64'))));
}
